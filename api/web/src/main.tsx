import { render } from "preact";
import { App } from "./app";
import { start } from "./state/board";
import "./styles.css";

start();
render(<App />, document.getElementById("app")!);
