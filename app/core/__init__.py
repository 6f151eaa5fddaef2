"""What every feature stands on: database, HTTP shape, money, time, events."""
