"""What everybody may join, hear and say on the socket: written by hand, like ``lab.walls``, in the
same rows and columns. ``tests/walls`` asks the running socket each of these cells.
"""

from collections.abc import Mapping

from headstart.realtime.pushes import OFFER_SEEN
from headstart.realtime.reasons import JoinRefusal

JOINED = "joins"
WORDS: Mapping[str, JoinRefusal | None] = {
    JOINED: None,
    "token": JoinRefusal.NO_TOKEN,
    "role": JoinRefusal.NOT_A_MECHANIC,
    "unknown": JoinRefusal.NOT_YOURS,
    "ended": JoinRefusal.SIGNED_OUT,
}
"""What a word in a cell of joins stands for: the answer, or the refusal and its reason."""

# Who may join which topic: the feed, mechanic:{id} with their own id and with another mechanic's,
# and who is present.
TOPICS = """
    .          feed  own   another online
    nobody     token token token   token
    customer   role  role  role    joins
    stranger   role  role  role    joins
    favourite  joins joins unknown joins
    mechanic   joins joins unknown joins
    suspended  ended ended ended   ended
    operator   role  role  role    joins
"""

# And session_request:{id}, by what has become of the request.
REQUESTS = """
    .         never   held    open    fallen  matched taken   done    unfilled cancelled withdrawn
    nobody    token   token   token   token   token   token   token   token    token     token
    customer  unknown joins   joins   joins   joins   joins   joins   joins    joins     joins
    stranger  unknown unknown unknown unknown unknown unknown unknown unknown  unknown   unknown
    favourite unknown unknown unknown unknown unknown joins   unknown unknown  unknown   unknown
    winner    -       -       -       -       joins   -       joins   -        -         -
    decliner  -       -       unknown unknown unknown -       unknown unknown  unknown   -
    mechanic  unknown unknown unknown unknown unknown unknown unknown unknown  unknown   unknown
    suspended unknown ended   ended   ended   ended   ended   ended   ended    ended     ended
    dropped   -       -       -       -       ended   -       ended   -        -         -
    operator  unknown joins   joins   joins   joins   joins   joins   joins    joins     joins
"""

# On the feed mechanics hear what the stream tells them (NEWS in ``lab.walls``), and so does on
# session_request:{id} whoever may join it. On mechanic:{own} it is only what is theirs alone:
OWN_NEWS = """
  .         held  open fallen      matched     taken     done        unfilled    cancelled withdrawn
  favourite asked no   asked+ended asked+ended asked+won asked+ended asked+ended no        asked+off
  winner    -     -    -           no          -         over        -           -         -
  decliner  -     no   no          no          -         no          no          no        -
  mechanic  no    no   no          no          no        no          no          no        no
"""

# What they may say where they are; all else is refused, among it every name of the feed's own news.
SAYS = """
    .         feed own  request online
    customer  -    -    no      no
    favourite seen seen no      track
    mechanic  seen seen -       track
    operator  -    -    no      no
"""
SAID: Mapping[str, frozenset[str]] = {
    "no": frozenset(),
    "seen": frozenset({OFFER_SEEN}),
    "track": frozenset({"track", "untrack"}),
}
