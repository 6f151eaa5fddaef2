"""The shape of every answer: problems, paging, idempotent and transactional routes."""
