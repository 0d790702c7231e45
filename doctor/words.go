package doctor

import "strings"

// saying is what a finding says: what is so, and what to do about it if something is.
type saying struct{ what, todo string }

// sayings are the words by key, in English and Russian. {…} is one of a finding's Args.
var sayings = map[string][2]saying{
	"database": {{"The database is sound.", ""}, {"База данных цела.", ""}},
	"database_damaged": {{"The database is damaged: {reason}", "Stop the server and restore the latest backup into an empty folder: besedka restore FILE."},
		{"База данных повреждена: {reason}", "Остановите сервер и восстановите последнюю копию в пустую папку: besedka restore ФАЙЛ."}},
	"database_away": {{"The database cannot be opened: {reason}", "Run the doctor as the user that the server runs as, and check --data and --database."},
		{"База данных не открывается: {reason}", "Запустите проверку от имени пользователя, под которым работает сервер, и проверьте --data и --database."}},
	"folder_open": {{"{path} can be read by others on this machine.", "chmod go= {path}"},
		{"{path} могут читать другие пользователи этой машины.", "chmod go= {path}"}},
	"files_few": {{"Only {limit} files may be open at a time; each TCP and relayed listener needs one or two.", "Set LimitNOFILE=65536 in the systemd unit, or ulimit -n 65536."},
		{"Одновременно можно открыть только {limit} файлов, а каждому слушателю по TCP или через ретранслятор нужен один или два.", "Поставьте LimitNOFILE=65536 в службе systemd или ulimit -n 65536."}},
	"reached":     {{"{url} answers.", ""}, {"{url} отвечает.", ""}},
	"not_reached": {{"{url} does not answer: {reason}", "Is the server running? Does the port forwarding or the reverse proxy lead to --listen? Is the port open in the firewall?"}, {"{url} не отвечает: {reason}", "Запущен ли сервер? Ведёт ли проброс порта или обратный прокси на --listen? Открыт ли порт в межсетевом экране?"}},
	"no_name":     {{"There is no address for the name {name}.", "Create an A (and AAAA) record for it, or correct --url."}, {"У имени {name} нет адреса.", "Создайте для него запись A (и AAAA) или исправьте --url."}},
	"not_healthy": {{"{url} answers with status {status}, but not as a healthy Besedka.", "Look into the server's log. If something else answers there, correct the reverse proxy or --url."}, {"{url} отвечает кодом {status}, но не как исправная Беседка.", "Посмотрите журнал сервера. Если там отвечает что-то другое, исправьте обратный прокси или --url."}},
	"no_tls":      {{"The address begins with http://: browsers will not give the page a microphone.", "Give the server a certificate (--tls-cert, --tls-key), or put a web server with one in front, and set --url to https://…"}, {"Адрес начинается с http://: браузеры не дадут странице микрофон.", "Дайте серверу сертификат (--tls-cert, --tls-key) или поставьте перед ним веб-сервер с сертификатом и задайте --url как https://…"}},
	"certificate": {{"The certificate is good until {until}.", ""}, {"Сертификат действителен до {until}.", ""}},
	"certificate_due": {{"The certificate is good until {until} only.", "Renew it; files given with --tls-cert are read again by themselves."},
		{"Сертификат действителен только до {until}.", "Обновите его; файлы из --tls-cert перечитываются сами."}},
	"certificate_unknown": {{"Nobody whom browsers trust has signed the certificate of {url}.", "Use a certificate of a public authority. If you use one, give the whole chain in --tls-cert."},
		{"Сертификат {url} не подписан никем, кому доверяют браузеры.", "Возьмите сертификат общепризнанного центра. Если он у вас есть, укажите в --tls-cert всю цепочку."}},
	"certificate_name":    {{"The certificate is for another name: {reason}", "Get one for the name in --url."}, {"Сертификат выдан на другое имя: {reason}", "Получите сертификат на имя из --url."}},
	"certificate_invalid": {{"The certificate of {url} is not valid: {reason}", "Renew it. If it is new, check the clock of this machine."}, {"Сертификат {url} недействителен: {reason}", "Обновите его. Если он новый, проверьте часы этой машины."}},
	"clock": {{"The clocks of this machine and of the server differ by {seconds} seconds.", "Switch time synchronisation on: timedatectl set-ntp true."},
		{"Часы этой машины и сервера расходятся на {seconds} с.", "Включите сверку времени: timedatectl set-ntp true."}},
	"media_not_looked_at": {{"The media ports were not looked at, because that takes a token.", "Run the doctor beside the data folder, or with --token (besedka admin token create)."},
		{"Порты звука не проверены: для этого нужен токен.", "Запустите проверку рядом с папкой данных или с --token (besedka admin token create)."}},
	"test_refused": {{"The server refuses the connection test: {reason}", "If it is an older version than this program, bring it up to date; if too many tests were made, wait a minute."},
		{"Сервер отказал в проверке связи: {reason}", "Если он старее этой программы, обновите его; если проверок было слишком много, подождите минуту."}},
	"advertised_private": {{"People come to a public address, but are told to send sound to {address}, which only your own network reaches.", "Set --advertise to the public address."},
		{"Люди приходят на внешний адрес, а звук им велят слать на {address}, который виден только в вашей сети.", "Укажите внешний адрес в --advertise."}},
	"media_answers": {{"Sound by {protocol} is reached at {address}.", ""}, {"Звук по {protocol} доступен на {address}.", ""}},
	"media_udp_silent": {{"Sound by UDP is not reached at {address} from here: {reason}", "Open that UDP port in the firewall and at the provider, and forward it to --media. (Behind a router that does not lead its own addresses back in, try from outside with --token.)"},
		{"Звук по UDP на {address} отсюда недоступен: {reason}", "Откройте этот порт UDP в межсетевом экране и у провайдера и пробросьте его на --media. (Если маршрутизатор не пускает на свой внешний адрес изнутри, проверьте снаружи с --token.)"}},
	"media_tcp_silent": {{"Sound by TCP is not reached at {address} from here: {reason}", "Open that TCP port, too: people whose network blocks UDP come in by it."},
		{"Звук по TCP на {address} отсюда недоступен: {reason}", "Откройте и этот порт TCP: по нему приходят те, чья сеть не пропускает UDP."}},
	"no_relay": {{"There is no relay: people whose network lets only HTTPS through hear nothing.", "Let the server do TLS itself (--tls-cert, --tls-key): the relay is then on the same port. Or use --turn with a TLS proxy in front."},
		{"Ретранслятора нет: те, чья сеть пропускает только HTTPS, ничего не услышат.", "Пусть сервер сам ведёт TLS (--tls-cert, --tls-key): тогда ретранслятор есть на том же порту. Или задайте --turn и поставьте перед ним прокси TLS."}},
	"relay_answers": {{"The relay at {url} leads to the sound.", ""}, {"Ретранслятор {url} ведёт к звуку.", ""}},
	"relay_silent": {{"The relay at {url} does not lead to the sound: {reason}", "A reverse proxy that ends TLS cannot carry it: let the server do TLS itself, or pass TCP through to --turn and say where with --turn-url."},
		{"Ретранслятор {url} не ведёт к звуку: {reason}", "Обратный прокси, который завершает TLS, его не пропустит: пусть сервер сам ведёт TLS, или пробросьте TCP на --turn и укажите куда в --turn-url."}},
}

// Words says a finding in English, or in Russian: what is so, and what to do, if anything.
func (f Finding) Words(russian bool) (what, todo string) {
	s := sayings[f.Key][0]
	if russian {
		s = sayings[f.Key][1]
	}
	pairs := make([]string, 0, 2*len(f.Args))
	for name, value := range f.Args {
		pairs = append(pairs, "{"+name+"}", value)
	}
	r := strings.NewReplacer(pairs...)
	return r.Replace(s.what), r.Replace(s.todo)
}
