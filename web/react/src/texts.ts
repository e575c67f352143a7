const en = {
  button: "Login with WhatsApp",
  or: "or",
  starting: "One moment …",
  startFailed: "That did not work just now. Please try again in a moment.",
  lineDown: "Logging in with WhatsApp is not possible right now. The trouble is on our side: please do not send the message, try again later. A link that you have already still works.",
  nextSend: "Send the message that is typed in already. Do not change it.",
  nextLink: "You get a link in the chat. It works once, for a few minutes.",
  nextOpen: "Open the link. If it opens in another browser, you are signed in there.",
  received: "Message received. Look at your phone: the link is in the chat.",
  loading: "Looking at your link …",
  failedTitle: "Your link could not be checked",
  failed: "We could not be reached. Nothing has happened to your link.",
  tryAgain: "Try again",
  goneTitle: "This link cannot be used",
  gone: "It was used before, is too old, or a newer one was sent. Ask for a new one.",
  lastTry: "That was the last try. To be safe, the link does not work any more.",
  newLink: "Get a new link",
  tapTitle: "Sign in",
  tap: "The link was sent to {number}. Continue only if this number is yours.",
  continue: "Continue",
  digitsTitle: "Is this your number?",
  digits: "The link was sent to {number}, and the login did not begin in this browser. Type the last four digits of the number.",
  digitsLabel: "Last four digits",
  digitsWrong: "Those are not the last four digits.",
  digitsShape: "Please type four digits.",
  triesLeft: "Tries left: {count}",
  offerTitle: "Take along what was done before?",
  offerHere: "Before this sign-in, somebody did something in this browser without being signed in:",
  offerThere: "In the browser where this login began, somebody did something without being signed in:",
  offerGone: "What was to come along is not there any more. You can go on without it.",
  offerForm: "one filled-in form",
  offerForms: "{count} filled-in forms",
  offerOther: "one other record",
  offerOthers: "{count} other records",
  offerUnknown: "How much it is cannot be counted just now.",
  bring: "Yes, that was me: take it along",
  bringCareful: "It becomes part of your health record. If you leave the box empty, it stays where it is.",
  staysThere: "Did you do something before signing in? If we can tell that it belongs to this login, we ask you about it next. If not, it stays in the browser where you did it: open the link there to take it along.",
  otherTitle: "Somebody else is signed in here",
  other: "To sign in with {number}, whoever is signed in now is signed out first.",
  otherYes: "Sign out and continue",
  otherNo: "Stay signed in",
  working: "Signing in …",
  notNow: "Signing in did not work just now. Please try again in a moment.",
  codeHelp: "Is your WhatsApp on another device? Type the code from the chat here. Never tell it to anybody.",
  codeLabel: "Code from the chat",
  codeSend: "Sign in with the code",
  codeShape: "Please type six digits.",
  codeWrong: "That is not the code.",
  codeGone: "This code does not work any more. Send the message again to get a new one.",
  codeOther: "Somebody else is signed in here. Press the button once more to sign them out and go on.",
};

export type Texts = typeof en;

const id: Texts = {
  button: "Masuk dengan WhatsApp",
  or: "atau",
  starting: "Sebentar …",
  startFailed: "Belum berhasil. Silakan coba lagi sebentar lagi.",
  lineDown: "Masuk dengan WhatsApp sedang tidak bisa. Gangguannya ada di pihak kami: mohon jangan kirim pesannya, coba lagi nanti. Tautan yang sudah Anda terima tetap berlaku.",
  nextSend: "Kirim pesan yang sudah tertulis. Jangan diubah.",
  nextLink: "Anda mendapat tautan di obrolan. Tautan berlaku sekali, selama beberapa menit.",
  nextOpen: "Buka tautannya. Jika terbuka di peramban lain, Anda masuk di peramban itu.",
  received: "Pesan diterima. Lihat ponsel Anda: tautannya ada di obrolan.",
  loading: "Memeriksa tautan Anda …",
  failedTitle: "Tautan Anda belum dapat diperiksa",
  failed: "Kami tidak dapat dihubungi. Tautan Anda tidak berubah.",
  tryAgain: "Coba lagi",
  goneTitle: "Tautan ini tidak dapat dipakai",
  gone: "Tautan sudah dipakai, sudah terlalu lama, atau ada yang lebih baru. Mintalah yang baru.",
  lastTry: "Itu kesempatan terakhir. Demi keamanan, tautan ini tidak berlaku lagi.",
  newLink: "Minta tautan baru",
  tapTitle: "Masuk",
  tap: "Tautan dikirim ke {number}. Lanjutkan hanya jika nomor ini milik Anda.",
  continue: "Lanjutkan",
  digitsTitle: "Apakah ini nomor Anda?",
  digits: "Tautan dikirim ke {number}, dan proses masuk tidak dimulai di peramban ini. Ketik empat angka terakhir nomor itu.",
  digitsLabel: "Empat angka terakhir",
  digitsWrong: "Itu bukan empat angka terakhirnya.",
  digitsShape: "Ketik empat angka.",
  triesLeft: "Sisa kesempatan: {count}",
  offerTitle: "Bawa serta yang dikerjakan sebelumnya?",
  offerHere: "Sebelum proses masuk ini, ada yang mengerjakan sesuatu di peramban ini tanpa masuk:",
  offerThere: "Di peramban tempat proses masuk ini dimulai, ada yang mengerjakan sesuatu tanpa masuk:",
  offerGone: "Yang tadinya akan dibawa sudah tidak ada lagi. Anda bisa melanjutkan tanpa itu.",
  offerForm: "satu formulir yang sudah diisi",
  offerForms: "{count} formulir yang sudah diisi",
  offerOther: "satu catatan lain",
  offerOthers: "{count} catatan lain",
  offerUnknown: "Jumlahnya belum bisa dihitung sekarang.",
  bring: "Ya, itu saya: bawa serta",
  bringCareful: "Isinya menjadi bagian rekam kesehatan Anda. Jika kotaknya dibiarkan kosong, isinya tetap di tempatnya.",
  staysThere: "Apakah Anda mengerjakan sesuatu sebelum masuk? Jika kami tahu bahwa itu bagian dari proses masuk ini, kami menanyakannya setelah ini. Jika tidak, isinya tetap di peramban tempat Anda mengerjakannya: buka tautannya di sana untuk membawanya serta.",
  otherTitle: "Ada orang lain yang masuk di sini",
  other: "Untuk masuk dengan {number}, siapa pun yang sedang masuk akan dikeluarkan dulu.",
  otherYes: "Keluarkan dan lanjutkan",
  otherNo: "Tetap masuk",
  working: "Sedang masuk …",
  notNow: "Belum berhasil masuk. Silakan coba lagi sebentar lagi.",
  codeHelp: "WhatsApp Anda di perangkat lain? Ketik kode dari obrolan di sini. Jangan beri tahu siapa pun.",
  codeLabel: "Kode dari obrolan",
  codeSend: "Masuk dengan kode",
  codeShape: "Ketik enam angka.",
  codeWrong: "Itu bukan kodenya.",
  codeGone: "Kode ini tidak berlaku lagi. Kirim pesannya lagi untuk mendapat kode baru.",
  codeOther: "Ada orang lain yang masuk di sini. Tekan tombol sekali lagi untuk mengeluarkannya dan melanjutkan.",
};

export const languages = { en, id } as const;
export type Language = keyof typeof languages;

/** The texts in the page's language, with the caller's own laid over them. */
export function textsFor(language: Language | undefined, own: Partial<Texts> = {}): Texts {
  return { ...languages[language ?? pageLanguage()], ...own };
}

/** What <html lang> says, else the browser: Indonesian or English. */
function pageLanguage(): Language {
  const tag = document.documentElement.lang || navigator.language;
  return /^(id|in)\b/i.test(tag) ? "id" : "en";
}

export function fill(text: string, values: Readonly<Record<string, string | number>>): string {
  return text.replace(/\{(\w+)\}/g, (whole, key: string) => (key in values ? String(values[key]) : whole));
}
