"""Are people cut off when machines of a fleet die, drain, hang and come? Real daemons and a real balancer.

python -m wlkd_bench.fleet_proof --help
"""
