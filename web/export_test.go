package web

import "io/fs"

// UseClient makes the server serve another client than the one built into the program.
func (s *Server) UseClient(dir fs.FS) (err error) {
	s.client, err = newClient(dir)
	return err
}
