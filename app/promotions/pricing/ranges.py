"""The bounds of parameters, refused in one way."""


def check_range(name: str, value: int, low: int, high: int) -> None:
    """Refuse a parameter out of its bounds."""
    if not low <= value <= high:
        raise ValueError(f"{name} {value} is outside {low}..{high}")
