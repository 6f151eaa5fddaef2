"""Tests of the promotions package."""
