// Package browser is the product in a real browser: headless Chromium clicks through the demo as a person would, looks at
// every page for barriers with axe-core, and keeps a picture of each.
//
// It knows the demo by its program and its pages alone, no room of ours. SCREENSHOTS names the directory that the pictures
// are kept in (none: they are not kept), CHROMIUM a Chromium that is not on the PATH, AXE_CORE a copy of axe-core.
package browser
