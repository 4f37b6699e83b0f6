// Pages that only have to stay up to date.

import { run } from "./clock.js";
import { begin, localise, region } from "./region.js";
import { connect, poll } from "./stream.js";

if (region()) {
  begin();
  run(poll);
  connect();
} else {
  localise(document);
}
