package contact

import (
	"context"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// longestName is how many characters of a name are sent.
const longestName = 100

// name is what the contact shall be called: as the Patient is, else as WhatsApp says, else as the operator chose.
func (s *Service) name(ctx context.Context, u User, profile Profile) (string, error) {
	if name := cleanName(profile.Name); name != "" {
		return name, nil
	}
	pushed, err := s.c.Names.PushName(ctx, u.Number)
	if err != nil {
		return "", fmt.Errorf("read name of WhatsApp: %w", err)
	}
	if name := cleanName(pushed); name != "" {
		return name, nil
	}
	return s.c.DefaultName, nil
}

// cleanName takes out what could break a line or turn the text around, because people choose their own names and
// others read them in a list. The joiners stay: emojis and several scripts need them.
func cleanName(raw string) string {
	name := strings.Map(func(r rune) rune {
		switch {
		case r == utf8.RuneError:
			return -1
		case unicode.IsSpace(r):
			return ' '
		case unicode.IsControl(r):
			return -1
		case unicode.Is(unicode.Cf, r) && r != '\u200c' && r != '\u200d':
			return -1
		}
		return r
	}, raw)
	name = strings.Trim(strings.Join(strings.Fields(name), " "), "\u200c\u200d ")
	if runes := []rune(name); len(runes) > longestName {
		name = strings.TrimSpace(string(runes[:longestName]))
	}
	return name
}
