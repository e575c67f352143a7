package app

import (
	"time"
)

// Config is everything that an operator can set. The shipped config.yaml holds every key with its default and says
// what it does; [Default] holds the same values, and a test keeps the two equal. Every key can be set in the
// environment under the name KONSULIN_ and its path in capitals (http.listen → KONSULIN_HTTP_LISTEN).
type Config struct {
	Log      LogConfig      `yaml:"log"      envPrefix:"LOG_"`
	HTTP     HTTPConfig     `yaml:"http"     envPrefix:"HTTP_"`
	Metrics  MetricsConfig  `yaml:"metrics"  envPrefix:"METRICS_"`
	Storage  StorageConfig  `yaml:"storage"  envPrefix:"STORAGE_"`
	WhatsApp WhatsAppConfig `yaml:"whatsapp" envPrefix:"WHATSAPP_"`
	Auth     AuthConfig     `yaml:"auth"     envPrefix:"AUTH_"`
	FHIR     FHIRConfig     `yaml:"fhir"     envPrefix:"FHIR_"`
	Contact  ContactConfig  `yaml:"contact"  envPrefix:"CONTACT_"`
	Login    LoginConfig    `yaml:"login"    envPrefix:"LOGIN_"`
	Guest    GuestConfig    `yaml:"guest"    envPrefix:"GUEST_"`
	Replies  RepliesConfig  `yaml:"replies"  envPrefix:"REPLIES_"`
	Web      WebConfig      `yaml:"web"      envPrefix:"WEB_"`
	Admins   AdminsConfig   `yaml:"admins"   envPrefix:"ADMINS_"`
	Alerts   AlertsConfig   `yaml:"alerts"   envPrefix:"ALERTS_"`
	Jobs     JobsConfig     `yaml:"jobs"     envPrefix:"JOBS_"`
	Keep     KeepConfig     `yaml:"keep"     envPrefix:"KEEP_"`
}

// LogConfig says what is logged and how.
type LogConfig struct {
	Level  string            `yaml:"level"  env:"LEVEL"  validate:"oneof=debug info warn error"`
	Rooms  map[string]string `yaml:"rooms"  env:"ROOMS"  validate:"dive,keys,oneof=auth bot contact fhir jobs web whatsapp,endkeys,oneof=debug info warn error"`
	Format string            `yaml:"format" env:"FORMAT" validate:"oneof=json console"`
}

// HTTPConfig is the bot's own web server.
type HTTPConfig struct {
	Listen         string   `yaml:"listen"          env:"LISTEN"          validate:"hostname_port"`
	TrustedProxies []string `yaml:"trusted_proxies" env:"TRUSTED_PROXIES" validate:"dive,ip|cidr"`
}

// MetricsConfig is where Prometheus may look; always loopback.
type MetricsConfig struct {
	Listen string `yaml:"listen" env:"LISTEN" validate:"omitempty,hostname_port"`
}

// StorageConfig says where everything is remembered.
type StorageConfig struct {
	Engine  string `yaml:"engine"   env:"ENGINE"   validate:"oneof=sqlite postgres"`
	Dir     string `yaml:"dir"      env:"DIR"      validate:"required"`
	DSN     Secret `yaml:"dsn"      env:"DSN"`
	DSNFile string `yaml:"dsn_file" env:"DSN_FILE"`
}

// WhatsAppConfig is the line.
type WhatsAppConfig struct {
	Number       string        `yaml:"number"        env:"NUMBER"        validate:"required,phone"`
	ChatURL      string        `yaml:"chat_url"      env:"CHAT_URL"      validate:"required,http_url"`
	DeviceName   string        `yaml:"device_name"   env:"DEVICE_NAME"   validate:"required,max=40"`
	SendTimeout  time.Duration `yaml:"send_timeout"  env:"SEND_TIMEOUT"  validate:"min=1s,max=30s"`
	ReconnectMin time.Duration `yaml:"reconnect_min" env:"RECONNECT_MIN" validate:"min=10ms"`
	ReconnectMax time.Duration `yaml:"reconnect_max" env:"RECONNECT_MAX" validate:"gtefield=ReconnectMin,max=1h"`
}

// AuthConfig is the SuperTokens core and what links and cookies are made of.
type AuthConfig struct {
	CoreURI         string        `yaml:"core_uri"          env:"CORE_URI"          validate:"required,http_url"`
	APIKey          Secret        `yaml:"api_key"           env:"API_KEY"`
	APIKeyFile      string        `yaml:"api_key_file"      env:"API_KEY_FILE"`
	CoreTimeout     time.Duration `yaml:"core_timeout"      env:"CORE_TIMEOUT"      validate:"min=1s,max=15s"`
	Tenant          string        `yaml:"tenant"            env:"TENANT"            validate:"required,alphanum"`
	AppName         string        `yaml:"app_name"          env:"APP_NAME"          validate:"required"`
	APIDomain       string        `yaml:"api_domain"        env:"API_DOMAIN"        validate:"required,origin"`
	WebsiteDomain   string        `yaml:"website_domain"    env:"WEBSITE_DOMAIN"    validate:"required,origin"`
	APIBasePath     string        `yaml:"api_base_path"     env:"API_BASE_PATH"     validate:"basepath"`
	WebsiteBasePath string        `yaml:"website_base_path" env:"WEBSITE_BASE_PATH" validate:"basepath"`
	RedirectToPath  string        `yaml:"redirect_to_path"  env:"REDIRECT_TO_PATH"  validate:"omitempty,returnpath"`
	AllowedOrigins  []string      `yaml:"allowed_origins"   env:"ALLOWED_ORIGINS"   validate:"dive,origin"`
	CookieDomain    string        `yaml:"cookie_domain"     env:"COOKIE_DOMAIN"     validate:"omitempty,fqdn"`
	CookieSameSite  string        `yaml:"cookie_same_site"  env:"COOKIE_SAME_SITE"  validate:"oneof=lax strict none"`
	DefaultRole     string        `yaml:"default_role"      env:"DEFAULT_ROLE"      validate:"required"`
	SealKeyFile     string        `yaml:"seal_key_file"     env:"SEAL_KEY_FILE"`
	Consume         string        `yaml:"consume"           env:"CONSUME"           validate:"oneof=self elsewhere"`
	WatchEvery      time.Duration `yaml:"watch_every"       env:"WATCH_EVERY"       validate:"min=50ms,max=1m"`
	Grace           time.Duration `yaml:"grace"             env:"GRACE"             validate:"min=0s,max=10m"`
}

// consumeSelf and consumeElsewhere say who hosts the pages and consumes the codes: this process, or a gateway beside it.
const (
	consumeSelf      = "self"
	consumeElsewhere = "elsewhere"
)

// elsewhere says that another program hosts the pages and consumes the codes.
func (c AuthConfig) elsewhere() bool { return c.Consume == consumeElsewhere }

// FHIRConfig is the FHIR server that keeps the Patients.
type FHIRConfig struct {
	BaseURL        string        `yaml:"base_url"         env:"BASE_URL"         validate:"omitempty,http_url"`
	Auth           string        `yaml:"auth"             env:"AUTH"             validate:"oneof=none bearer basic api_key"`
	User           string        `yaml:"user"             env:"USER"             validate:"required_if=Auth basic"`
	Secret         Secret        `yaml:"secret"           env:"SECRET"`
	SecretFile     string        `yaml:"secret_file"      env:"SECRET_FILE"`
	APIKeyHeader   string        `yaml:"api_key_header"   env:"API_KEY_HEADER"   validate:"required,headername"`
	Timeout        time.Duration `yaml:"timeout"          env:"TIMEOUT"          validate:"min=1s,max=15s"`
	Cooldown       time.Duration `yaml:"cooldown"         env:"COOLDOWN"         validate:"min=10ms,max=10m"`
	Telecom        string        `yaml:"telecom"          env:"TELECOM"          validate:"oneof=digits e164"`
	WaitForPatient time.Duration `yaml:"wait_for_patient" env:"WAIT_FOR_PATIENT" validate:"min=0s,max=5s"`
	Workers        int           `yaml:"workers"          env:"WORKERS"          validate:"min=1,max=64"`
}

// ContactConfig is the webhook that keeps the contacts of the omnichannel system.
type ContactConfig struct {
	BaseURL     string        `yaml:"base_url"     env:"BASE_URL"     validate:"omitempty,http_url"`
	Auth        string        `yaml:"auth"         env:"AUTH"         validate:"oneof=none jwt api_key standard_webhooks"`
	Secret      Secret        `yaml:"secret"       env:"SECRET"`
	SecretFile  string        `yaml:"secret_file"  env:"SECRET_FILE"`
	Subject     string        `yaml:"subject"      env:"SUBJECT"      validate:"required_if=Auth jwt,max=200"`
	Timeout     time.Duration `yaml:"timeout"      env:"TIMEOUT"      validate:"min=1s,max=30s"`
	PerMinute   int           `yaml:"per_minute"   env:"PER_MINUTE"   validate:"min=1,max=6000"`
	DefaultName string        `yaml:"default_name" env:"DEFAULT_NAME" validate:"required,max=100"`
	By          string        `yaml:"by"           env:"BY"           validate:"oneof=auto bot gateway"`
}

// contacts says whether a sign-in asks this program for the contact.
func (c Config) contacts() bool {
	return c.Contact.By == "bot" || c.Contact.By == "auto" && !c.Auth.elsewhere()
}

// GuestConfig is about people who are not signed in yet.
type GuestConfig struct {
	Lifetime   time.Duration `yaml:"lifetime"    env:"LIFETIME"    validate:"min=1h,max=8760h"`
	RotateKeys time.Duration `yaml:"rotate_keys" env:"ROTATE_KEYS" validate:"min=1h,max=8760h"`
	Claim      string        `yaml:"claim"       env:"CLAIM"       validate:"oneof=auto bot gateway"`
}

// claims says whether a sign-in gives the guest's records to the user by this program.
func (c Config) claims() bool {
	return c.Guest.Claim == "bot" || c.Guest.Claim == "auto" && !c.Auth.elsewhere()
}

// LoginConfig is what starts a login and how often.
type LoginConfig struct {
	Phrases      []string      `yaml:"phrases"      env:"PHRASES"      envSeparator:"|" validate:"min=1,max=20,dive,required,max=200"`
	StaleAfter   time.Duration `yaml:"stale_after"  env:"STALE_AFTER"  validate:"min=10s,max=10m"`
	SilentAfter  time.Duration `yaml:"silent_after" env:"SILENT_AFTER" validate:"gtefield=StaleAfter,max=48h"`
	Coalesce     time.Duration `yaml:"coalesce"     env:"COALESCE"     validate:"min=0s,max=5m"`
	DormantAfter time.Duration `yaml:"dormant_after" env:"DORMANT_AFTER" validate:"eq=0s|min=24h"`
	Reference    bool          `yaml:"reference"    env:"REFERENCE"`
	DesktopCode  bool          `yaml:"desktop_code" env:"DESKTOP_CODE"`
	Limits       LimitsConfig  `yaml:"limits"       envPrefix:"LIMITS_"`
}

// LimitsConfig are the budgets, kept across restarts.
type LimitsConfig struct {
	Number     RateConfig `yaml:"number"      envPrefix:"NUMBER_"`
	NumberDay  RateConfig `yaml:"number_day"  envPrefix:"NUMBER_DAY_"`
	NewNumbers RateConfig `yaml:"new_numbers" envPrefix:"NEW_NUMBERS_"`
	Global     RateConfig `yaml:"global"      envPrefix:"GLOBAL_"`
}

// RateConfig allows Burst events at once and one more after each Every.
type RateConfig struct {
	Burst int           `yaml:"burst" env:"BURST" validate:"min=1,max=1000000"`
	Every time.Duration `yaml:"every" env:"EVERY" validate:"min=1ms,max=168h"`
}

// RepliesConfig is what users read.
type RepliesConfig struct {
	Dir           string            `yaml:"dir"            env:"DIR"`
	Language      string            `yaml:"language"       env:"LANGUAGE"       validate:"required,alpha,len=2"`
	ByCountry     map[string]string `yaml:"by_country"     env:"BY_COUNTRY"     validate:"dive,keys,numeric,endkeys,alpha,len=2"`
	Hidden        string            `yaml:"hidden"         env:"HIDDEN"         validate:"required,alpha,len=2"`
	WayOut        string            `yaml:"way_out"        env:"WAY_OUT"        validate:"required,http_url"`
	OtherText     string            `yaml:"other_text"     env:"OTHER_TEXT"     validate:"oneof=ignore reply"`
	HumanContact  string            `yaml:"human_contact"  env:"HUMAN_CONTACT"  validate:"required_if=OtherText reply,max=200,oneline"`
	EmergencyLine string            `yaml:"emergency_line" env:"EMERGENCY_LINE" validate:"required_if=OtherText reply,max=200,oneline"`
	HumanQuiet    time.Duration     `yaml:"human_quiet"    env:"HUMAN_QUIET"    validate:"min=0s,max=720h"`
}

// WebConfig is what the pages show.
type WebConfig struct {
	SupportURL string    `yaml:"support_url" env:"SUPPORT_URL" validate:"omitempty,url"`
	HomeURL    string    `yaml:"home_url"    env:"HOME_URL"    validate:"omitempty,uri"`
	Limits     WebLimits `yaml:"limits"      envPrefix:"LIMITS_"`
}

// WebLimits are the budgets of what browsers begin before anybody signs in; guests and logins have one each.
type WebLimits struct {
	Client RateConfig `yaml:"client" envPrefix:"CLIENT_"`
	Global RateConfig `yaml:"global" envPrefix:"GLOBAL_"`
}

// AdminsConfig lists numbers by what they may do.
type AdminsConfig struct {
	Viewer  []string `yaml:"viewer"  env:"VIEWER"  validate:"dive,phone"`
	Support []string `yaml:"support" env:"SUPPORT" validate:"dive,phone"`
	Owner   []string `yaml:"owner"   env:"OWNER"   validate:"dive,phone"`
}

// AlertsConfig is what admins are told without asking, and where else it goes.
type AlertsConfig struct {
	WebhookURL string        `yaml:"webhook_url" env:"WEBHOOK_URL" validate:"omitempty,http_url"`
	Secret     Secret        `yaml:"secret"      env:"SECRET"`
	SecretFile string        `yaml:"secret_file" env:"SECRET_FILE"`
	DownAfter  time.Duration `yaml:"down_after"  env:"DOWN_AFTER"  validate:"min=0s,max=24h"`
	PhoneAfter time.Duration `yaml:"phone_after" env:"PHONE_AFTER" validate:"min=24h,max=336h"`
	Pause      time.Duration `yaml:"pause"       env:"PAUSE"       validate:"min=0s,max=24h"`
}

// JobsConfig is the runner of durable jobs.
type JobsConfig struct {
	Workers     int           `yaml:"workers"      env:"WORKERS"      validate:"min=1,max=64"`
	MaxAttempts int           `yaml:"max_attempts" env:"MAX_ATTEMPTS" validate:"min=1,max=1000"`
	RetryMin    time.Duration `yaml:"retry_min"    env:"RETRY_MIN"    validate:"min=10ms"`
	RetryMax    time.Duration `yaml:"retry_max"    env:"RETRY_MAX"    validate:"gtefield=RetryMin,max=24h"`
}

// KeepConfig is how long things are remembered.
type KeepConfig struct {
	Messages time.Duration `yaml:"messages" env:"MESSAGES" validate:"min=48h"`
	Jobs     time.Duration `yaml:"jobs"     env:"JOBS"     validate:"min=1m"`
	DeadJobs time.Duration `yaml:"dead_jobs" env:"DEAD_JOBS" validate:"min=24h"`
	Links    time.Duration `yaml:"links"    env:"LINKS"    validate:"min=1h"`
	Audit    time.Duration `yaml:"audit"    env:"AUDIT"    validate:"min=24h"`
}

// Default is the configuration when nothing is said: what the shipped config.yaml says.
func Default() Config {
	return Config{
		Log:     LogConfig{Level: "info", Rooms: map[string]string{}, Format: "json"},
		HTTP:    HTTPConfig{Listen: "127.0.0.1:8080", TrustedProxies: []string{"127.0.0.1", "::1"}},
		Storage: StorageConfig{Engine: "sqlite", Dir: "data"},
		WhatsApp: WhatsAppConfig{
			ChatURL: "https://wa.me", DeviceName: "Konsulin", SendTimeout: 15 * time.Second,
			ReconnectMin: time.Second, ReconnectMax: time.Minute,
		},
		Auth: AuthConfig{
			CoreURI: "http://127.0.0.1:3567", CoreTimeout: 5 * time.Second, Tenant: "public", AppName: "Konsulin",
			APIDomain: "http://127.0.0.1:8080", WebsiteDomain: "http://127.0.0.1:8080",
			APIBasePath: "/auth", WebsiteBasePath: "/auth", AllowedOrigins: []string{}, CookieSameSite: "lax", DefaultRole: "Patient",
			Consume: consumeSelf, WatchEvery: 3 * time.Second, Grace: 15 * time.Second,
		},
		FHIR: FHIRConfig{
			Auth: "none", APIKeyHeader: "X-API-Key", Timeout: 10 * time.Second,
			Cooldown: 15 * time.Second, Telecom: "digits",
			WaitForPatient: 2 * time.Second, Workers: 8,
		},
		Contact: ContactConfig{
			Auth: "none", Subject: "konsulin-bot", Timeout: 10 * time.Second, PerMinute: 50, DefaultName: "Konsulin user",
			By: "auto",
		},
		Guest: GuestConfig{Lifetime: 30 * 24 * time.Hour, RotateKeys: 30 * 24 * time.Hour, Claim: "auto"},
		Login: LoginConfig{
			Phrases:    []string{"Request login, authenticate me.", "Authenticate me"},
			StaleAfter: 2 * time.Minute, SilentAfter: 6 * time.Hour, Coalesce: 20 * time.Second, DormantAfter: 4380 * time.Hour,
			Limits: LimitsConfig{
				Number:     RateConfig{Burst: 5, Every: 3 * time.Minute},
				NumberDay:  RateConfig{Burst: 20, Every: 72 * time.Minute},
				NewNumbers: RateConfig{Burst: 60, Every: 2 * time.Second},
				Global:     RateConfig{Burst: 120, Every: 500 * time.Millisecond},
			},
		},
		Replies: RepliesConfig{
			Language: "en", ByCountry: map[string]string{"62": "id"}, Hidden: "id", WayOut: "https://konsulin.care",
			OtherText: "ignore", HumanQuiet: 24 * time.Hour,
		},
		Web: WebConfig{Limits: WebLimits{
			Client: RateConfig{Burst: 100, Every: 3 * time.Second}, Global: RateConfig{Burst: 1000, Every: 500 * time.Millisecond},
		}},
		Admins: AdminsConfig{Viewer: []string{}, Support: []string{}, Owner: []string{}},
		Alerts: AlertsConfig{DownAfter: 5 * time.Minute, PhoneAfter: 10 * 24 * time.Hour, Pause: 30 * time.Minute},
		Jobs:   JobsConfig{Workers: 8, MaxAttempts: 25, RetryMin: time.Second, RetryMax: 10 * time.Minute},
		Keep: KeepConfig{
			Messages: 30 * 24 * time.Hour, Jobs: 24 * time.Hour, DeadJobs: 90 * 24 * time.Hour, Links: 7 * 24 * time.Hour, Audit: 2 * 365 * 24 * time.Hour,
		},
	}
}

// Secret is a configured value that prints as "(secret)" wherever it is printed.
type Secret string

// String hides the value.
func (s Secret) String() string {
	if s == "" {
		return ""
	}
	return "(secret)"
}

// GoString hides the value from %#v.
func (s Secret) GoString() string { return `"` + s.String() + `"` }

// MarshalText hides the value from config print and from logs.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// Reveal is the value itself.
func (s Secret) Reveal() string { return string(s) }
