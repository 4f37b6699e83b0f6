"""An older system's table, with what goes wrong in such tables, and the run that takes it over."""
