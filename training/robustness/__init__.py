"""How a model's answers hold when photos are worse than those it was judged on."""
