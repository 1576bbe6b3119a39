/** Asks for the API key, where the server wants one. */
import { refusal, unlock } from "../state/session";

export function KeyPrompt() {
  if (refusal.value === null) return null;
  const send = (event: SubmitEvent) => {
    event.preventDefault();
    const key = new FormData(event.currentTarget as HTMLFormElement).get("key");
    if (typeof key === "string" && key.trim() !== "") unlock(key.trim());
  };
  return (
    <form class="panel prompt" onSubmit={send}>
      <label for="key">This server asks for an API key. It is kept until the tab is closed.</label>
      {refusal.value !== "" && <p class="status off_plan" role="alert">■ {refusal.value}</p>}
      <input id="key" name="key" type="password" autocomplete="off" required autofocus />
      <button type="submit">Continue</button>
      <p class="quiet">Keys are made with: sightline keys create NAME --scope read</p>
    </form>
  );
}
