#!/bin/sh
# An executable input: stays executable wherever it is carried to.
echo "tool got $# arguments, the last is <$3>"
