"""What requests may say and what answers look like; OpenAPI is made from this.

Answers are built as plain dictionaries, which costs less than models do; the API tests
hold them against these schemas.
"""
