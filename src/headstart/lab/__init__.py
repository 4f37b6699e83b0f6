"""Looking at the service from outside: verification, explanation, reports."""
