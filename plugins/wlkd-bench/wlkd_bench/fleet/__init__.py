"""How many machines does a given number of people take? A day of a fleet behind its balancer, in virtual time.

python -m wlkd_bench.fleet --people 100 10000 1000000
"""
