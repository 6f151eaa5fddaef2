"""What an operation costs, measured from outside: SQL statements, CPU, and the floor beside them."""
