"""Payments: gateways behind one protocol, captures and refunds; knows orders by id only."""
