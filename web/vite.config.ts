import react from '@vitejs/plugin-react'
import { defineConfig } from 'vitest/config'

const account = process.env['NOREN_ACCOUNT'] ?? 'http://localhost:8080'
const inference = process.env['NOREN_INFERENCE'] ?? 'http://localhost:8081'

// The account listener serves the built app from its own origin; in development the same paths are handed to it.
const proxied = [
  '/auth',
  '/account/export',
  '/account/deletion',
  '/keys',
  '/tenants',
  '/members',
  '/invitations',
  '/family',
  '/audit',
  '/oauth',
  '/.well-known',
  '/mail',
  '/sandbox/letters',
  '/admin',
  '/hooks',
  '/billing',
  '/rate-limit',
  '/history',
  '/statistics',
  '/status',
  '/genai/models',
  '/genai/retention',
  '/api',
  '/house',
  '/demo',
  '/health',
  '/ready',
  '/openapi.json',
]
// Pages of the app whose paths begin like operations.
const ownPages = /^\/(?:auth\/callback|billing\/(?:result|confirm\/[^?]*)|admin(?:\/desk\/[^?]*)?)\/?(?:\?|$)/

export default defineConfig({
  plugins: [react()],
  server: {
    // The Origin header is rewritten with the host, so that the server's same-origin check sees one house.
    proxy: {
      ...Object.fromEntries(
        proxied.map((path) => [
          path,
          {
            target: account,
            changeOrigin: true,
            headers: { origin: account },
            bypass: ({ method, url = '' }) => (method === 'GET' && ownPages.test(url) ? '/index.html' : undefined),
          },
        ]),
      ),
      '/misaki/messages': { target: inference, changeOrigin: true },
      '^/misaki/passing$': {
        target: inference,
        changeOrigin: true,
        bypass: ({ method }) => (method === 'GET' ? '/index.html' : undefined),
      },
      '/inference': { target: inference, changeOrigin: true },
      '/v1': { target: inference, changeOrigin: true },
    },
  },
  build: {
    manifest: true,
    target: ['chrome123', 'safari17.5', 'firefox120'],
    modulePreload: { polyfill: false },
    // The content security policy allows no inline script; small pictures may stay data: URLs.
    assetsInlineLimit: 2048,
  },
  test: {
    environment: 'jsdom',
    setupFiles: ['test/setup.ts'],
    include: ['src/**/*.test.{ts,tsx}'],
    restoreMocks: true,
    // a patience for machines that do much else
    testTimeout: 60_000,
  },
})
