// Package website is the demo's application: one address at which browsers find a small page where a guest writes down
// how they feel, and below /auth the bot, through a reverse proxy, as a production set-up has it.
//
// It speaks to the bot over HTTP alone, as any application would, and must not know its rooms.
package website
