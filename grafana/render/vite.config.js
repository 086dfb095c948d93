import react from '@vitejs/plugin-react';
import { defineConfig } from 'vite';

// One page with everything in it. `base` is relative, so that the page also opens from a folder.
export default defineConfig({
  base: './',
  plugins: [react()],
  define: { 'process.env.NODE_ENV': '"production"', global: 'globalThis' },
  build: { chunkSizeWarningLimit: 20000, outDir: 'dist', sourcemap: false },
});
