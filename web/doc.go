// Package web owns the pages and the HTTP routes: what a browser sees, the security headers, and health.
//
// It must not know SuperTokens, WhatsApp or SQL: it serves what it is given through the interfaces that it declares.
package web
