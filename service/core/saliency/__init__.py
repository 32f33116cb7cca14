"""Which pixels a class score depends on.

A method is a pure function over a `Network`: (network, image, cotangents, its parameters)
-> `Maps`. It works on a session in this process, on a queue that batches for a session, or
on a fake in a test. The image is float32 [3, H, W] in [0, 1]; cotangents are float32 [M, K],
one row for each explanation that is asked for: a one-hot row for a class, a difference of
two for a contrast. What a row explains is the score `cotangent . logits`.
"""
