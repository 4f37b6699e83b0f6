"""Chaos on the real thing: servers, PostgreSQL and a payment service as processes, people who keep
honest histories over HTTP, and a monkey that breaks whatever stands, while the same judge that
judges the simulation decides whether any promise was broken."""
