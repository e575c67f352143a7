// Package clientip owns whom a request comes from. The peer of the connection is the client, unless it is one of the
// operator's own proxies: then the proxy's word counts, and nothing that the client itself wrote.
package clientip
