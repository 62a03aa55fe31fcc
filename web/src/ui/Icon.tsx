// Line drawings on a 24 px grid. They are always beside words or on a control that has a name.
const paths = {
  send: 'M12 19V5M6 11l6-6 6 6',
  stop: 'M8 8h8v8H8z',
  menu: 'M4 7h16M4 12h16M4 17h10',
  plus: 'M12 5v14M5 12h14',
  trash: 'M5 7h14M10 7V5h4v2M7 7l1 12h8l1-12M10.5 11v4.5M13.5 11v4.5',
  pen: 'M5 19l1-4L16.5 4.5l3 3L9 18zM14.5 6.5l3 3',
  more: 'M5 12h1.5M11.25 12h1.5M17.5 12h1.5',
  search: 'M10.5 4.5a6 6 0 1 0 0 12 6 6 0 0 0 0-12ZM15 15l5 5',
  mask: 'M4 4l16 16M9.5 9.6a3.5 3.5 0 0 0 4.9 4.9M6.5 7C4.600 8.300 3.400 10.300 3 12c1 3.500 4.600 6.500 9 6.500 1.500 0 2.900-.3 4.100-.9M10 5.700c.6-.1 1.300-.2 2-.2 4.400 0 8 3 9 6.500-.3 1-.8 2-1.600 2.900',
  copy: 'M9 9h10v10H9zM15 9V5H5v10h4',
  check: 'M5 12.5l4.5 4.5L19 7.5',
  down: 'M12 5v14M6 13l6 6 6-6',
  right: 'M9 6l6 6-6 6',
  left: 'M15 6l-6 6 6 6',
  close: 'M6 6l12 12M18 6L6 18',
  retry: 'M19 12a7 7 0 1 1-2.2-5.1M19 4v4h-4',
  sun: 'M12 8a4 4 0 1 0 0 8 4 4 0 0 0 0-8ZM12 3v1.5M12 19.5V21M3 12h1.5M19.5 12H21M5.6 5.6l1.1 1.1M17.3 17.3l1.1 1.1M5.6 18.4l1.1-1.1M17.3 6.7l1.1-1.1',
  moon: 'M19.5 14.5A8 8 0 0 1 9.5 4.5a8 8 0 1 0 10 10Z',
  auto: 'M12 4a8 8 0 1 0 0 16ZM12 4a8 8 0 0 1 0 16',
  person: 'M12 4.5a3.75 3.75 0 1 0 0 7.5 3.75 3.75 0 0 0 0-7.5ZM5 20c.7-3.6 3.5-5.5 7-5.5s6.3 1.9 7 5.5',
  warn: 'M12 4.5l8.5 14.5h-17zM12 10v4M12 16.6v.2',
  key: 'M8.5 11a3.75 3.75 0 1 0 0 7.5 3.75 3.75 0 0 0 0-7.5ZM11.2 12.1L19 4.5M16 7.4l2.6 2.6M13.6 9.8l1.6 1.6',
  letter: 'M4 6.5h16v11H4zM4.5 7l7.5 6 7.5-6',
  device: 'M7 4.5h10v15H7zM11 16.8h2',
  out: 'M14 5h5v14h-5M4 12h11M11 8l4 4-4 4',
  chart: 'M5 19V11M12 19V5M19 19v-5M3.5 19h17',
  thumbUp:
    'M8 11v8.5H4.5V11zM8 11l3.500-7c1.500 0 2.500 1 2.200 2.500L13 10h5.500c1 0 1.700.9 1.500 1.900l-1.200 6c-.2.9-.9 1.600-1.900 1.600H8',
  thumbDown:
    'M16 13V4.5h3.500V13zM16 13l-3.500 7c-1.500 0-2.500-1-2.200-2.500L11 14H5.500c-1 0-1.700-.9-1.500-1.900l1.200-6c.2-.9.9-1.600 1.900-1.600H16',
  share: 'M12 15V4M8 7.500L12 3.500l4 4M6 11v8.500h12V11',
  link: 'M10 14a4 4 0 0 0 5.700 0l3-3A4 4 0 0 0 13 5.300l-1 1M14 10a4 4 0 0 0-5.700 0l-3 3A4 4 0 0 0 11 18.700l1-1',
  book: 'M5 5h5a2 2 0 0 1 2 2v12a2 2 0 0 0-2-2H5zM19 5h-5a2 2 0 0 0-2 2v12a2 2 0 0 1 2-2h5z',
  keys: 'M3.500 7h17v10h-17zM7 10.200h.1M10.500 10.200h.1M14 10.200h.1M17 10.200h.1M8.500 13.800h7',
  info: 'M12 4a8 8 0 1 0 0 16 8 8 0 0 0 0-16ZM12 11.200V16M12 8.200v.1',
  clock: 'M12 4a8 8 0 1 0 0 16 8 8 0 0 0 0-16ZM12 8v4.2l2.8 1.8',
} as const

export type IconName = keyof typeof paths

export function Icon({ name, size = 20 }: { name: IconName; size?: number }) {
  return (
    <svg
      width={size}
      height={size}
      viewBox="0 0 24 24"
      fill={name === 'stop' ? 'currentColor' : 'none'}
      stroke="currentColor"
      strokeWidth="1.75"
      strokeLinecap="round"
      strokeLinejoin="round"
      aria-hidden="true"
      style={{ flex: 'none' }}
    >
      <path d={paths[name]} />
    </svg>
  )
}
