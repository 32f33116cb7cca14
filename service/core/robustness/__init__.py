"""How easily a model's answers are changed: attacks and checks over a `Network`, in numpy.

What is attacked is a row: an image with its criterion and its eps. Several restarts or several
eps of one image are several rows, so that all are run in the same batches.
"""
