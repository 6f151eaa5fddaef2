"""The pure pricing core: the same basket, promotions and clock value give the same quote."""
