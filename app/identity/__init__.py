"""Who is who: members and their WeChat sign-in, operators and their roles, sessions, API keys."""
