import { expect, test } from "vitest";
import { parser } from "./sse";

test("messages come out whole, however their bytes were cut", () => {
  const text = 'retry: 1000\n\nevent: snapshot\nid: a-1\ndata: {"run": "live"}\n\n: nothing\n\nevent: heartbeat\ndata: {}\n\n';
  const whole = parser()(text);
  expect(whole).toEqual([
    { event: "snapshot", data: '{"run": "live"}', id: "a-1" },
    { event: "heartbeat", data: "{}", id: null },
  ]);
  const parse = parser();
  expect([...text].flatMap((character) => parse(character))).toEqual(whole);
});

test("data of several lines is one message, and carriage returns do not matter", () => {
  expect(parser()("data: a\r\ndata:b\r\n\r\n")).toEqual([{ event: "message", data: "a\nb", id: null }]);
});
