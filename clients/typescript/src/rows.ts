/** Short names for the parts of `Database`. */

import type { Database } from "./database.js";

type Public = Database["public"];

/** A row of a table as it is read: `Row<"projects">`. */
export type Row<Table extends keyof Public["Tables"]> = Public["Tables"][Table]["Row"];

/** What an insert takes. */
export type Insert<Table extends keyof Public["Tables"]> = Public["Tables"][Table]["Insert"];

/** What an update takes. */
export type Update<Table extends keyof Public["Tables"]> = Public["Tables"][Table]["Update"];

/** What a function takes: `Arguments<"create_project">`. */
export type Arguments<Name extends keyof Public["Functions"]> = Public["Functions"][Name]["Args"];

/** What a function returns. */
export type Result<Name extends keyof Public["Functions"]> = Public["Functions"][Name]["Returns"];
