"""Ways to break the service on purpose. A simulator that does not notice one of them is at fault.

Each sabotage replaces something of the real code, or of the model of the database, for as long as
it lasts. The service itself has no switch for any of this.
"""

from headstart.lab.sabotage import of_the_database, of_the_money, of_the_news, of_the_rules
from headstart.lab.sabotage.craft import SABOTAGES, Sabotage

__all__ = [
    "SABOTAGES",
    "Sabotage",
    "of_the_database",
    "of_the_money",
    "of_the_news",
    "of_the_rules",
]
