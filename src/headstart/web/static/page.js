// Pages that only have to stay up to date.

import { growOlder } from "./age.js";
import { run } from "./clock.js";
import { begin, localise, region } from "./region.js";
import { connect, poll } from "./stream.js";

if (region()) {
  begin();
  run(poll);
  connect();
  growOlder();
} else {
  localise(document);
}
