"""Rules people write: expressions over declared features, checked when saved, tried in the shadow, live only by two people."""
