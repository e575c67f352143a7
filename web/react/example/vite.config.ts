import react from "@vitejs/plugin-react";
import { defineConfig } from "vite";

// The example uses the built package by its name, as any application does: build it first (npm run build).
export default defineConfig({
  plugins: [react()],
  server: { host: "127.0.0.1", port: 3000, strictPort: true },
  build: { outDir: "../dist-example", emptyOutDir: true, chunkSizeWarningLimit: 2000 },
});
