"""The prediction log: what `/classify` answered, and what people say was right."""
