/*
 * The starting pack: what a small office meets, by what these things cannot do without. meta: description is what people
 * read; phase, potential and attack go into the finding (docs/vocabulary.md).
 */
rule test_file_of_virus_scanners
{
    meta:
        description = "the harmless test file of virus scanners"
        potential = "low"
    strings:
        $a = "$EICAR-STANDARD-ANTIVIRUS-TEST-FILE!$H+H*"
    condition:
        $a in (0..200) and filesize < 1KB
}

rule web_shell_php
{
    meta:
        description = "a PHP page that runs what its visitor sends"
        attack = "T1505.003"
        potential = "high"
    strings:
        $php = "<?php" nocase
        $short = "<?="
        $run = /(eval|assert|system|shell_exec|passthru|popen|proc_open|exec)\s{0,4}\(\s{0,4}(base64_decode|gzinflate|str_rot13|stripslashes|trim|@)?\s{0,4}\(?\s{0,4}\$_(GET|POST|REQUEST|COOKIE|SERVER)\s{0,4}\[/ nocase
        $call = /\$_(GET|POST|REQUEST|COOKIE)\s{0,4}\[[^\]]{1,40}\]\s{0,4}\(\s{0,4}\$_(GET|POST|REQUEST|COOKIE)/ nocase
    condition:
        filesize < 2MB and any of ($php, $short) and any of ($run, $call)
}

rule web_shell_java_or_asp
{
    meta:
        description = "a server page that runs what its visitor sends"
        attack = "T1505.003"
        potential = "high"
    strings:
        $jsp = "<%"
        $java = /Runtime\s{0,4}\.\s{0,4}getRuntime\s{0,4}\(\s{0,4}\)\s{0,4}\.\s{0,4}exec\s{0,4}\(\s{0,4}request\s{0,4}\.\s{0,4}getParameter/
        $asp = /eval\s{0,4}\(?\s{0,4}request\s{0,4}[\.\(\[]/ nocase
    condition:
        filesize < 2MB and $jsp and any of ($java, $asp)
}

rule script_that_fetches_and_runs
{
    meta:
        description = "a script that fetches something from the net and runs it without leaving a file"
        attack = "T1059.001,T1105"
        potential = "high"
    strings:
        $load = /(DownloadString|DownloadData)\s{0,4}\(/ nocase
        $invoke = /\b(IEX|Invoke-Expression)\b/ nocase
        $hidden = /-w(indowstyle)?\s{1,4}h(idden)?\b/ nocase
        $encoded = /-e(nc|ncodedcommand)?\s{1,4}[A-Za-z0-9+\/]{80}/ nocase
        $amsi = "AmsiUtils" nocase
    condition:
        filesize < 4MB and (($load and $invoke and any of ($hidden, $encoded, $amsi)) or ($encoded and $hidden))
}

rule script_host_dropper
{
    meta:
        description = "a script that writes a program from the net to the disk and starts it"
        attack = "T1059.005,T1105"
        potential = "high"
    strings:
        $http = /(MSXML2|Microsoft)\.(Server)?XMLHTTP|WinHttp\.WinHttpRequest/ nocase
        $write = "ADODB.Stream" nocase
        $save = "SaveToFile" nocase
        $run = /WScript\.Shell|Shell\.Application/ nocase
    condition:
        filesize < 4MB and all of them
}

rule office_macro_that_starts_programs
{
    meta:
        description = "a document whose macro starts programs when it is opened"
        attack = "T1204.002,T1059.005"
        potential = "high"
    strings:
        $ole = { D0 CF 11 E0 A1 B1 1A E1 }
        $auto = /Auto_?Open|Document_Open|Workbook_Open|AutoExec/ nocase
        $shell = /WScript\.Shell|powershell|Shell\.Application|winmgmts:|rundll32/ nocase
        $http = /XMLHTTP|URLDownloadToFile|DownloadString/ nocase
    condition:
        $ole at 0 and filesize < 16MB and $auto and $shell and $http
}

rule document_with_equation_exploit
{
    meta:
        description = "a document that carries an equation object made to run code"
        attack = "T1203"
        potential = "high"
    strings:
        $rtf = "{\\rt"
        $object = "\\objdata" nocase
        $update = "\\objupdate" nocase
        $equation = /0002ce02|4571756174696[fF]6[eE]2[eE]33/ nocase
    condition:
        $rtf at 0 and filesize < 16MB and $object and $update and $equation
}

rule pdf_that_starts_programs
{
    meta:
        description = "a PDF that starts a program when it is opened"
        attack = "T1204.002"
        potential = "high"
    strings:
        $pdf = "%PDF-"
        $open = "/OpenAction"
        $launch = /\/S\s{0,4}\/Launch/
        $program = /\/F\s{0,4}\((cmd|powershell|mshta|wscript)/ nocase
    condition:
        $pdf in (0..1024) and filesize < 32MB and $open and $launch and $program
}

rule shortcut_that_runs_a_hidden_script
{
    meta:
        description = "a shortcut that runs a hidden script"
        attack = "T1204.002,T1547.009"
        potential = "high"
    strings:
        $a = /powershell|mshta|wscript|cscript/ nocase wide ascii
        $b = /-e(nc|ncodedcommand)\s|DownloadString|https?:\/\/|javascript:/ nocase wide ascii
        $c = /-w(indowstyle)?\s{1,4}h/ nocase wide ascii
    condition:
        uint32(0) == 0x0000004c and uint32(4) == 0x00021401 and filesize < 1MB and $a and $b and $c
}

rule tool_that_reads_passwords_from_memory
{
    meta:
        description = "a tool that reads passwords out of Windows' memory"
        attack = "T1003.001"
        potential = "high"
        phase = "foothold.process"
    strings:
        $a = "sekurlsa::" nocase wide ascii
        $b = "lsadump::" nocase wide ascii
        $c = "kerberos::golden" nocase wide ascii
        $d = "privilege::debug" nocase wide ascii
        $e = "wdigest.dll" nocase wide ascii
        $f = "lsasrv.dll" nocase wide ascii
    condition:
        uint16(0) == 0x5a4d and filesize < 16MB and 2 of ($a, $b, $c, $d) and any of ($e, $f)
}

rule implant_with_reflective_loader
{
    meta:
        description = "a remote control program that loads itself into other programs"
        attack = "T1620"
        potential = "high"
        phase = "foothold.process"
    strings:
        $loader = "ReflectiveLoader"
        $a = "%s as %s\\%s: %d"
        $b = "beacon.x64.dll"
        $c = "beacon.dll"
        $d = "could not spawn %s: %d"
        $e = "Could not connect to pipe (%s): %d"
        $f = "metsrv.dll"
        $g = "core_channel_open"
    condition:
        filesize < 16MB and uint16(0) == 0x5a4d and (($loader and any of ($a, $b, $c, $d, $e, $f, $g)) or 3 of ($a, $b, $c, $d, $e))
}

rule coin_miner
{
    meta:
        description = "a program that digs for digital coins at somebody else's cost"
        attack = "T1496"
        potential = "high"
        phase = "foothold.process"
    strings:
        $pool = /stratum\+(tcp|ssl):\/\//
        $a = "donate-level"
        $b = "randomx" nocase
        $c = "xmrig" nocase
        $d = "cryptonight" nocase
    condition:
        filesize < 32MB and (uint32(0) == 0x464c457f or uint16(0) == 0x5a4d) and $pool and 2 of ($a, $b, $c, $d)
}

rule shell_script_that_calls_home
{
    meta:
        description = "a shell script that hands this machine to somebody far away"
        attack = "T1059.004"
        potential = "high"
        phase = "foothold.process"
    strings:
        $a = /(ba)?sh\s{1,4}-i\s{0,4}[0-9]?>&?\s{0,4}\/dev\/tcp\//
        $b = /exec\s{1,4}[0-9]{1,3}<>\s{0,4}\/dev\/tcp\//
        $c = /nc(at)?\s[^\n]{0,80}-e\s{0,4}\/bin\/(ba)?sh/
        $d = /socket\.socket\([^\n]{0,200}dup2\([^\n]{0,200}\/bin\/(ba)?sh/
    condition:
        filesize < 1MB and any of them and (uint16(0) == 0x2123 or filesize < 4KB)
}

rule ransom_note
{
    meta:
        description = "a letter that demands ransom for files"
        attack = "T1486"
        potential = "high"
        phase = "impact.data"
    strings:
        $a = /your (files|data|network|documents) (are|have been|has been|is) (encrypted|locked)/ nocase
        $b = /\.onion\b/ nocase
        $c = /(decrypt(ion|or)|restore|recover) [^\n]{0,60}(key|tool|software|files)/ nocase
        $d = /(bitcoin|monero|btc|xmr)\b/ nocase
        $e = /(personal|unique|your) id/ nocase
    condition:
        filesize < 64KB and $a and $b and $c and any of ($d, $e)
}
