"""Engines of others, doing the meter's sums: each in a folder and an environment of its own.

`bench.peers.known` lists them. A peer is started as

    PEER bootstrap usage sums group messages folder

drains the topic `usage`, which has exactly so many messages, from its beginning, writes the sums of each
service and each team in 10 s of event time to the topic `sums`, one JSON record {"scope", "bucket", "nusd"}
each (of records of one scope and bucket the last one counts), and prints `count N` every 50 ms or so, N being
the messages it has taken, and `done` when every sum is written. `folder` is empty and its own.
"""
