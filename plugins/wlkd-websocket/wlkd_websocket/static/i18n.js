// The page's words, in English and Chinese.

const TEXTS = {
  en: {
    title: "wlkd · live transcription",
    tagline: "Live transcription",
    transcript: "Transcript",
    settings: "Settings",
    theme: "Light or dark",
    copy: "Copy",
    copied: "Copied",
    clear: "Clear",
    clearSure: "Clear the whole transcript?",
    saveGroup: "Copy or download the transcript",
    saveTxt: "Download as plain text",
    saveSrt: "Download as SRT subtitles",
    saveVtt: "Download as WebVTT subtitles",
    emptyTitle: "Press the button and speak.",
    emptyPrivacy: "What you say goes to {host} and nowhere else.",
    emptyKeys: "The space bar starts and stops too.",
    toEnd: "Jump to the latest words",
    microphone: "Microphone",
    defaultMicrophone: "Default",
    microphoneNumber: "Microphone {n}",
    language: "Spoken language",
    languageHint: "Recognised in the first seconds, then kept",
    auto: "Automatic",
    start: "Start transcribing",
    stop: "Stop transcribing",
    idle: "Ready",
    starting: "Opening the microphone…",
    connecting: "Connecting…",
    recording: "Listening",
    quiet: "Nothing heard yet",
    reconnecting: "Reconnecting…",
    finishing: "Transcribing the rest…",
    lag: "{s} s behind",
    silence: "{s} s of silence",
    server: "Server address",
    serverHint: "The WebSocket of a wlkd server. Empty: the server of this page.",
    token: "Access token",
    tokenHint: "Only if your server asks for one.",
    hotwords: "Names and terms to expect",
    hotwordsHint: "Separated by commas, for example: Shelley, AlignAtt.",
    translate: "Translate to English",
    reset: "Reset",
    done: "Done",
    retry: "Try again",
    retryNow: "Retry now",
    openSettings: "Open settings",
    copyAddress: "Copy",
    dismiss: "Dismiss",
    insecureTitle: "The browser forbids the microphone on this address",
    insecureBody: "Microphones are allowed on https:// and on localhost only; this page came over plain HTTP. Either of these helps:",
    insecureTls: "Ask your administrator to serve wlkd over HTTPS (own certificate, or a reverse proxy in front).",
    insecureFlag: "Or allow this one address: open {flags}, enter {origin}, choose Enabled and restart the browser.",
    insecureFirefox: "Or allow it in Firefox: in about:config set {flags} to true, then reload this page.",
    deniedTitle: "The microphone is blocked",
    deniedBody: "Allow it for this page: click the icon next to the address, allow the microphone, then try again. If it is not listed there, look in the privacy settings of your system.",
    noneTitle: "No microphone found",
    noneBody: "Plug one in or switch one on, then try again.",
    busyTitle: "The microphone does not answer",
    busyBody: "Another program may be using it. Close that program or choose another microphone, then try again.",
    goneTitle: "The microphone was disconnected",
    goneBody: "What it heard before is transcribed and kept.",
    oldTitle: "This browser cannot record",
    oldBody: "Use a current version of Firefox, Chrome, Edge or Safari.",
    lostTitle: "Connection lost",
    lostBody: "Your text is kept, and what you say meanwhile is stored here for up to a minute. Next attempt in {s} s.",
    unreachableTitle: "The server cannot be reached",
    unreachableBody: "{url} does not answer. Next attempt in {s} s.",
    addressTitle: "This is not a server address",
    addressBody: "“{url}” should look like ws://host:7100/asr.",
    fullTitle: "The server is full",
    fullBody: "All its places are taken at the moment. Next attempt in {s} s.",
    drainingTitle: "The server is restarting",
    drainingBody: "Your text is kept. Next attempt in {s} s.",
    unauthorizedTitle: "This server asks for an access token",
    unauthorizedBody: "Enter the one you were given in the settings.",
    refusedTitle: "The server refused",
    refusedBody: "Its words: {message}",
    failedTitle: "The server had to end this connection",
    failedBody: "Its words: {message} Your text is kept. Next attempt in {s} s.",
    lostTailTitle: "The connection broke before the last words arrived",
    lostTailBody: "Everything up to there is kept.",
    silentTitle: "No sound from this microphone",
    silentBody: "Is it muted, or is another one meant? You can choose after stopping.",
  },
  zh: {
    title: "wlkd · 实时语音转写",
    tagline: "实时语音转写",
    transcript: "转写文字",
    settings: "设置",
    theme: "浅色或深色",
    copy: "复制",
    copied: "已复制",
    clear: "清空",
    clearSure: "确定清空全部文字吗？",
    saveGroup: "复制或下载文字",
    saveTxt: "下载纯文本",
    saveSrt: "下载 SRT 字幕",
    saveVtt: "下载 WebVTT 字幕",
    emptyTitle: "按下按钮，开始说话。",
    emptyPrivacy: "您的声音只会发送到 {host}，不会传到别处。",
    emptyKeys: "按空格键也可以开始和停止。",
    toEnd: "跳到最新文字",
    microphone: "麦克风",
    defaultMicrophone: "默认麦克风",
    microphoneNumber: "麦克风 {n}",
    language: "说话语言",
    languageHint: "开头几秒识别语种，之后不变",
    auto: "自动识别",
    start: "开始转写",
    stop: "停止转写",
    idle: "就绪",
    starting: "正在打开麦克风…",
    connecting: "正在连接…",
    recording: "正在聆听",
    quiet: "还没有听到声音",
    reconnecting: "正在重新连接…",
    finishing: "正在转写剩余部分…",
    lag: "延迟 {s} 秒",
    silence: "静音 {s} 秒",
    server: "服务器地址",
    serverHint: "wlkd 服务器的 WebSocket 地址。留空则使用本页所在的服务器。",
    token: "访问令牌",
    tokenHint: "仅在服务器要求时填写。",
    hotwords: "可能出现的人名和术语",
    hotwordsHint: "用逗号分隔，例如：张伟, 卷积。",
    translate: "翻译成英语",
    reset: "恢复默认",
    done: "完成",
    retry: "重试",
    retryNow: "立即重试",
    openSettings: "打开设置",
    copyAddress: "复制",
    dismiss: "关闭",
    insecureTitle: "浏览器不允许在此地址使用麦克风",
    insecureBody: "麦克风只能在 https:// 或 localhost 下使用，而本页是通过普通 HTTP 打开的。可以这样解决：",
    insecureTls: "请管理员为 wlkd 启用 HTTPS（配置证书，或在前面加反向代理）。",
    insecureFlag: "或者单独放行此地址：打开 {flags}，填入 {origin}，选择 Enabled（已启用），然后重启浏览器。",
    insecureFirefox: "或者在 Firefox 中放行：在 about:config 里把 {flags} 设为 true，然后刷新本页。",
    deniedTitle: "麦克风被禁止使用",
    deniedBody: "请允许本页使用麦克风：点击地址栏旁的图标，允许麦克风，然后重试。如果那里没有，请检查系统的隐私设置。",
    noneTitle: "没有找到麦克风",
    noneBody: "请插入或打开麦克风，然后重试。",
    busyTitle: "麦克风没有响应",
    busyBody: "可能正被其他程序占用。请关闭该程序或换一个麦克风，然后重试。",
    goneTitle: "麦克风已断开",
    goneBody: "之前听到的内容都已转写并保留。",
    oldTitle: "此浏览器无法录音",
    oldBody: "请使用新版的 Chrome、Edge、Firefox 或 Safari。",
    lostTitle: "连接已断开",
    lostBody: "文字已保留，这期间说的话会在本地暂存，最长一分钟。{s} 秒后重试。",
    unreachableTitle: "无法连接服务器",
    unreachableBody: "{url} 没有响应。{s} 秒后重试。",
    addressTitle: "服务器地址不正确",
    addressBody: "“{url}” 应类似 ws://host:7100/asr。",
    fullTitle: "服务器已满",
    fullBody: "当前没有空闲位置。{s} 秒后重试。",
    drainingTitle: "服务器正在重启",
    drainingBody: "文字已保留。{s} 秒后重试。",
    unauthorizedTitle: "此服务器需要访问令牌",
    unauthorizedBody: "请在设置中填写您的令牌。",
    refusedTitle: "服务器拒绝了请求",
    refusedBody: "服务器的说明：{message}",
    failedTitle: "服务器结束了此连接",
    failedBody: "服务器的说明：{message} 文字已保留。{s} 秒后重试。",
    lostTailTitle: "最后几个词到达之前连接中断了",
    lostTailBody: "此前的文字都已保留。",
    silentTitle: "这个麦克风没有声音",
    silentBody: "是否已静音，或者应选另一个？停止后可以更换。",
  },
};

let current = "en";

/** The languages of the page itself. */
export const uiLanguages = Object.keys(TEXTS);

export const uiLanguage = () => current;

/** The text `key`, with `{name}` replaced from `values`. */
export function t(key, values = {}) {
  return TEXTS[current][key].replace(/\{(\w+)\}/g, (_, name) => values[name]);
}

/** Switch the page to `language` and fill in every marked element. */
export function setUiLanguage(language) {
  current = language;
  document.documentElement.lang = language === "zh" ? "zh-CN" : language;
  document.title = t("title");
  for (const element of document.querySelectorAll("[data-i18n]")) element.textContent = t(element.dataset.i18n);
  for (const element of document.querySelectorAll("[data-i18n-label]")) {
    element.title = t(element.dataset.i18nLabel);
    element.setAttribute("aria-label", element.title);
  }
}

// What Whisper models can be asked for; the server refuses those that its own model lacks.
const SPOKEN =
  "en zh yue es fr de ja ko ru pt it ar hi af am as az ba be bg bn bo br bs ca cs cy da el et eu fa fi fo gl gu ha haw " +
  "he hr ht hu hy id is jw ka kk km kn la lb ln lo lt lv mg mi mk ml mn mr ms mt my ne nl nn no oc pa pl ps ro sa sd si " +
  "sk sl sn so sq sr su sv sw ta te tg th tk tl tr tt uk ur uz vi yi yo";

/** `[code, name]` of every spoken language: the most asked for first, the others by name. */
export function spokenLanguages() {
  const names = new Intl.DisplayNames([document.documentElement.lang], { type: "language" });
  const all = SPOKEN.split(" ").map((code) => [code, names.of(code === "jw" ? "jv" : code)]);
  const others = all.slice(13).sort((a, b) => a[1].localeCompare(b[1], document.documentElement.lang));
  return [...all.slice(0, 13), ...others];
}
