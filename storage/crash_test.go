package storage

func crashChild() bool { return false }
