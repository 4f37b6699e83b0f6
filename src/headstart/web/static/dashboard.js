// The customer's dashboard: up to date, and with a step that opens over it.

import "./dialog.js";
import "./page.js";
