"""What an operation costs, measured from outside: SQL, CPU, and the floor beside them."""
