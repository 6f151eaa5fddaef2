"""Quanpu 圈铺: trust-based community shops; every feature is a package, imports point down only."""
