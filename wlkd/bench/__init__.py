"""The measuring instrument behind `wlkd bench`: a black-box client of any `/asr` server.

`clips` says what to stream, `pieces` cuts it as a microphone would, `stream` sends one clip and writes down what
came back and when, `runner` keeps K streams going, `score` compares with the references, `summary` adds up,
`limits` judges and `report` tells.
"""
