"""Embedded PostgreSQL: a real server that lives and dies with the process that started it.

`running(directory)` yields an address for any client. Whatever ends the owner, `kill -9` of its
whole process group included, ends the server a moment later; whatever ends the server, no committed
row is lost. One directory has one owner: everybody else is given the address.

- `binaries`: which PostgreSQL programs to run, and as whom
- `directory`: where the data lives, and that it has one owner
- `server`: `running`, from an empty directory to an address and back
- `watcher`: the small program between owner and server
"""

from headstart.store.embedded.binaries import EmbeddedError
from headstart.store.embedded.directory import InUse, default_data_directory
from headstart.store.embedded.server import running

__all__ = ["EmbeddedError", "InUse", "default_data_directory", "running"]
