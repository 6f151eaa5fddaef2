"""Group buy 拼团: campaigns, groups and seats; knows orders and payments by id only."""
