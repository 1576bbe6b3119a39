/** Server-sent events from text in pieces, as the HTML standard parses them (without `retry`). */
export interface Message {
  event: string;
  data: string;
  id: string | null;
}

/** Takes pieces of a stream, in order, and gives the messages that each of them completes. */
export function parser(): (piece: string) => Message[] {
  let rest = "";
  return (piece) => {
    const blocks = (rest + piece).replaceAll("\r\n", "\n").split("\n\n");
    rest = blocks.pop() ?? "";
    return blocks.map(message).filter((found): found is Message => found !== null);
  };
}

function message(block: string): Message | null {
  const found: Message = { event: "message", data: "", id: null };
  const data: string[] = [];
  for (const line of block.split("\n")) {
    const colon = line.indexOf(":");
    const field = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? "" : line.slice(colon + 1).replace(/^ /, "");
    if (field === "event") found.event = value;
    else if (field === "data") data.push(value);
    else if (field === "id") found.id = value;
  }
  return data.length === 0 ? null : { ...found, data: data.join("\n") };
}
