# darts.awk: throws n darts at a unit square and counts those within the quarter circle. A generator of its own, so that
# every awk gives the same.
function next_one() { x = (x * 16807) % 2147483647; return x / 2147483647 }
BEGIN {
    x = seed * 7919 + 1
    for (i = 0; i < 10; i++) next_one()
    for (i = 0; i < n; i++) { a = next_one(); b = next_one(); if (a * a + b * b <= 1) hits++ }
    print hits, n
}
