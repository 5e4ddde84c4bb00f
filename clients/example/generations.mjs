/** A generation from start to end (docs/budgets.md); the model is a stand-in that answers at once. */
import { randomUUID } from "node:crypto";

const MODEL = ["example", "echo-1"];
const PRICE = 0.000002;
const INSERT = "insert into public.prompt_generations (project_id, created_by, prompt, provider, model";
const TAKE =
  "update public.prompt_generations set status = 'running' where id = $1 and status = 'pending' returning id";
const RECORD =
  "select public.record_generation($1, $2, response => $3, tokens_in => $4, tokens_out => $5, cost => $6) as became";

/** Answers a prompt in a project. `most` is how many tokens the answer may have: so many are reserved. */
export async function generate(database, person, { project, prompt, most }) {
  const values = [project, person, prompt, ...MODEL];
  // As the person, and taken back: may they edit the project, and is there room in their budget?
  await database.attempt(person, `${INSERT}) values ($1, $2, $3, $4, $5)`, values);
  const tokensIn = Math.ceil(prompt.length / 4);
  const estimate = tokensIn + most;
  const [{ id }] = await database.asServer(
    `${INSERT}, estimated_tokens, estimated_cost) values ($1, $2, $3, $4, $5, $6, $7) returning id`,
    [...values, estimate, estimate * PRICE],
  );
  if (!(await database.asServer(TAKE, [id])).length) return { id, became: "cancelled" };
  const answer = `You said: ${prompt}`.slice(0, most * 4);
  const tokensOut = Math.ceil(answer.length / 4);
  const cost = (tokensIn + tokensOut) * PRICE;
  // The provider's id of the call: the same call is recorded once.
  const key = `example-${randomUUID()}`;
  const [{ became }] = await database.asServer(RECORD, [id, key, answer, tokensIn, tokensOut, cost]);
  return { id, became, answer, tokens: tokensIn + tokensOut };
}
