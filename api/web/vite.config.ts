import preact from "@preact/preset-vite";
import { defineConfig } from "vite";

// File names without hashes keep the committed build's diffs readable; the server sends them with an ETag.
export default defineConfig({
  plugins: [preact()],
  build: {
    outDir: "dist",
    target: "es2022",
    modulePreload: false,
    rollupOptions: {
      output: {
        entryFileNames: "assets/[name].js",
        chunkFileNames: "assets/[name].js",
        assetFileNames: "assets/[name][extname]",
      },
    },
  },
  server: { proxy: { "/api": "http://127.0.0.1:8321" } },
});
