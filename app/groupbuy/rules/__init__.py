"""Pure decisions of group buys: what a campaign may say, and how a group comes together."""
