"""Headstart: the customer's favourite mechanic gets a head start on a paid job."""

__version__ = "0.1.0"
